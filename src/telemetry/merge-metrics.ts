// One metrics page out of those of several processes, so that a scrape does not see whichever of them answered it. What
// counts is added up, also over the deaths of processes: a sum that falls back would look like a restart of everything.
// What describes one process, or is no sum, stands once for each with the label `worker`.

type Family = { readonly type: string; readonly head: string; readonly samples: Map<string, number> };

export type Page = ReadonlyMap<string, Family>;

/** How a gauge of all is made from those of each; a gauge that is not named here is added up. */
const gaugeRules: Readonly<Record<string, "max" | "min" | "each">> = {
  llmgateway_outbox_oldest_unacked_seconds: "max",
  llmgateway_journal_poisoned: "max",
  llmgateway_build_info: "max",
  llmgateway_publisher_ready: "min",
  llmgateway_shared_calls_ready: "min",
  llmgateway_target_available: "min",
  llmgateway_target_failure_ratio: "each",
  llmgateway_target_output_tokens_per_second: "each",
};
const ofProcess = /^(?:process|nodejs)_/;

/** Samples of processes that have ended are kept up to this many; those of later ones then begin anew. */
const keptSamplesMax = 50_000;

/** Reads a page in the Prometheus text format as this program writes it. Lines that are none are left out. */
export function parsePage(text: string): Page {
  const families = new Map<string, Family>();
  let help = "";
  let current: Family | undefined;
  for (const line of text.split("\n")) {
    if (line.startsWith("# HELP ")) help = line;
    else if (line.startsWith("# TYPE ")) {
      const [, , name = "", type = ""] = line.split(" ");
      current = { type, head: `${help}\n${line}\n`, samples: new Map() };
      families.set(name, current);
    } else if (line !== "") {
      const at = line.lastIndexOf(" ");
      current?.samples.set(line.slice(0, at), Number(line.slice(at + 1)));
    }
  }
  return families;
}

export class MergedMetrics {
  /** The newest page of each process that lives, by its name. */
  readonly #pages = new Map<string, Page>();
  /** What the processes before had counted. */
  readonly #ended = new Map<string, Family>();
  #endedSamples = 0;

  update(worker: string, text: string): void {
    this.#pages.set(worker, parsePage(text));
  }

  /** The process has ended. What it counted after its newest page is not known. */
  end(worker: string): void {
    const page = this.#pages.get(worker);
    this.#pages.delete(worker);
    for (const [name, { type, head, samples }] of page ?? []) {
      if (type === "gauge" || ofProcess.test(name)) continue;
      const ended = this.#ended.get(name) ?? { type, head, samples: new Map<string, number>() };
      this.#ended.set(name, ended);
      for (const [sample, value] of samples) this.#keep(ended.samples, sample, value);
    }
  }

  format(): string {
    const families = new Map<string, Family>();
    for (const [worker, page] of [...this.#pages, ["", this.#ended] as const]) {
      for (const [name, family] of page) {
        const merged = families.get(name) ?? { ...family, samples: new Map<string, number>() };
        families.set(name, merged);
        for (const [sample, value] of family.samples) this.#add(merged, name, worker, sample, value);
      }
    }
    let text = "";
    for (const { head, samples } of families.values()) {
      text += head;
      for (const [sample, value] of samples) text += `${sample} ${value}\n`;
    }
    return text;
  }

  #keep(samples: Map<string, number>, sample: string, value: number): void {
    const known = samples.get(sample);
    if (known === undefined && this.#endedSamples >= keptSamplesMax) return;
    if (known === undefined) this.#endedSamples += 1;
    samples.set(sample, (known ?? 0) + value);
  }

  #add({ type, samples }: Family, name: string, worker: string, sample: string, value: number): void {
    const rule = ofProcess.test(name) ? "each" : type === "gauge" ? gaugeRules[name] : undefined;
    if (rule === "each") {
      samples.set(withLabel(sample, worker), value);
      return;
    }
    const known = samples.get(sample);
    samples.set(sample, known === undefined ? value : join(rule, known, value));
  }
}

function join(rule: "max" | "min" | undefined, left: number, right: number): number {
  if (rule === undefined) return left + right;
  return rule === "max" ? Math.max(left, right) : Math.min(left, right);
}

function withLabel(sample: string, worker: string): string {
  const label = `worker="${worker}"`;
  return sample.endsWith("}") ? `${sample.slice(0, -1)},${label}}` : `${sample}{${label}}`;
}
