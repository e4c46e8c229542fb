import type { JsonRecord } from "../../wire/json.ts";
import { type Asked, type Route, WireProblem } from "../wire.ts";
import { readEmbeddings } from "./embeddings.ts";

type Operation = { readonly path: string; readonly isForm: boolean; readonly read: (body: JsonRecord) => Asked };

/** One line an operation; the path is its last words, as with chat completions. */
const operations: readonly Operation[] = [{ path: "/embeddings", isForm: false, read: readEmbeddings }];

export function openAiOperationRoute(path: string): Route | undefined {
  const found = operations.find((operation) => path.endsWith(operation.path));
  return found === undefined ? undefined : { kind: "chat", operation: found.path, isForm: found.isForm };
}

export function readOpenAiOperation(path: string, body: JsonRecord): Asked {
  const found = operations.find((operation) => operation.path === path);
  if (found === undefined) throw new WireProblem(`there is no operation ${path}`);
  return found.read(body);
}
