import { controlHelp } from "./controls.ts";

const indent = "  ";

/** What the simulator says of itself at `GET /`: the language of model names, how it counts, where it tells what it saw. */
export function helpText(): string {
  const width = Math.max(...controlHelp.map(({ form }) => form.length));
  const words = controlHelp.map(({ form, help }) => `${indent}${form.padEnd(width)}  ${help}`);
  return [
    'Model names: "sim-" and words joined by "+", e.g. sim-tokens-64+pace-20ms. Any other name, such as gpt-4.1-mini,',
    "answers like sim-small; a name that begins with sim- and has an unknown word is a model that does not exist.",
    "",
    ...words,
    "",
    'The same words are heard in the last message of the user, e.g. "[sim:fail-500]". N is a whole number.',
    "Tokens: a word of text is one, an image or a file 100; a tool call is one and one more for every 4 characters of",
    "its arguments; JSON text is one for every 4 characters. Answers depend on the request and the seed alone.",
    "Keys: any will do, but one that ends in sim-key-refused meets 401, and one that ends in sim-key-limited 429.",
    "What was asked: GET /_sim/requests (DELETE clears it); exchanges under way: GET /_sim/open.",
  ].join("\n");
}
