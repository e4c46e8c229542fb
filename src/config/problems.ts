/** Keys and list positions from the root of the file, e.g. ["providers", 1, "credentials"]. */
export type ConfigPath = readonly (string | number)[];

/** One thing that is wrong with the file. */
export type ConfigProblem = {
  /** The file as it was named on the command line. */
  readonly file: string;
  /** From 1; 0 when the problem is with the file as a whole. */
  readonly line: number;
  readonly column: number;
  /** E.g. "providers[1].credentials.api_key"; "" for the root. */
  readonly path: string;
  /** What to write instead. Never a value of the file: it might be a secret. */
  readonly message: string;
};

/** The file cannot be used; `problems` names everything that is wrong with it, in the order of the file. */
export class ConfigProblems extends Error {
  override readonly name = "ConfigProblems";
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(formatProblem).join("\n"));
    this.problems = problems;
  }
}

/** `gateway.yaml:12:5: providers[1].kind: must be one of …` */
export function formatProblem(problem: ConfigProblem): string {
  const place = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
  return problem.path === "" ? `${place}: ${problem.message}` : `${place}: ${problem.path}: ${problem.message}`;
}

/** ["providers", 1, "kind"] → "providers[1].kind". */
export function formatPath(path: ConfigPath): string {
  return path.map((step, index) => (typeof step === "number" ? `[${step}]` : index === 0 ? step : `.${step}`)).join("");
}
