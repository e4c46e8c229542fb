// Walking raw JSON without types, for the oracles: `at(value, "choices", 0, "message")`.

export type Raw = unknown;

/** The value at a path; `undefined` where the path ends. */
export function at(value: Raw, ...path: readonly (string | number)[]): Raw {
  let place: Raw = value;
  for (const step of path) {
    if (typeof place !== "object" || place === null) return undefined;
    place = Reflect.get(place, step);
  }
  return place;
}

export function textAt(value: Raw, ...path: readonly (string | number)[]): string {
  const found = at(value, ...path);
  return typeof found === "string" ? found : "";
}

export function numberAt(value: Raw, ...path: readonly (string | number)[]): number | undefined {
  const found = at(value, ...path);
  return typeof found === "number" ? found : undefined;
}

export function listAt(value: Raw, ...path: readonly (string | number)[]): readonly Raw[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
}

/** `data:` payloads of an SSE body that are JSON, read the simplest way there is. */
export function sseJson(body: Uint8Array): readonly Raw[] {
  const lines = new TextDecoder().decode(body).split(/\r\n|\n|\r/);
  return lines.flatMap((line) => {
    const payload = line.startsWith("data:") ? line.slice(5).trim() : "";
    return payload.startsWith("{") ? [parse(payload)] : [];
  });
}

export function parse(text: string): Raw {
  return JSON.parse(text);
}
