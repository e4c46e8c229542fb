// The series of one metric family by their labels, with a limit: a label whose values come from outside, such as a model
// name, cannot grow the memory or the page without end. Past the limit everything is counted under `other`.

/** Joins the values of one label set; not found in names. */
const separator = "\u0000";
const overflow = "other";

/** Key of a label set. A plain concatenation, since it runs several times a call. */
export function labelKey(first: string, second: string, third = "", fourth = ""): string {
  return first + separator + second + separator + third + separator + fourth;
}

export class LabelSets<Series> {
  readonly #names: readonly string[];
  readonly #make: () => Series;
  readonly #sizeMax: number;
  readonly #seriesByKey = new Map<string, Series>();
  #other: Series | undefined;

  /** `sizeMax`: most label sets beside `other`. */
  constructor(names: readonly string[], sizeMax: number, make: () => Series) {
    this.#names = names;
    this.#sizeMax = sizeMax;
    this.#make = make;
  }

  /** The series of a key made by `labelKey` with as many values as there are names. */
  get(key: string): Series {
    return this.#seriesByKey.get(key) ?? this.#add(key);
  }

  /** Labels as Prometheus writes them, e.g. `a="1",b="2"`, with their series. */
  *entries(): Iterable<readonly [labels: string, series: Series]> {
    for (const [key, series] of this.#seriesByKey) yield [this.#format(key.split(separator)), series];
    if (this.#other !== undefined) yield [this.#format(this.#names.map(() => overflow)), this.#other];
  }

  #add(key: string): Series {
    if (this.#seriesByKey.size >= this.#sizeMax) {
      this.#other ??= this.#make();
      return this.#other;
    }
    const series = this.#make();
    this.#seriesByKey.set(key, series);
    return series;
  }

  #format(values: readonly string[]): string {
    return this.#names.map((name, index) => `${name}="${escapeLabel(values[index] ?? "")}"`).join(",");
  }
}

const labelLengthMax = 200;

/** A label value in Prometheus' text format, cut to a length. */
export function escapeLabel(value: string): string {
  const cut = value.length > labelLengthMax ? value.slice(0, labelLengthMax) : value;
  return cut.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
