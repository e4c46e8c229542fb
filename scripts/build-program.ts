// The program as JavaScript in one folder, to be run by `node <folder>/llm-gateway.js`. The same source with the same lazy
// parts, in some thirty files instead of a thousand modules: most of a start is otherwise spent on finding and linking them.
// Packages that only some configurations load, and that load files of their own by name, stay in node_modules.
import { cpSync, globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type Plugin, rolldown } from "rolldown";

const root = join(import.meta.dirname, "..");
const source = join(root, "src");

const notBundled = ["google-auth-library", /^@nats-io\//];

/** A file that the source starts by its address: a thread or a process. */
const startedFile = /new URL\("\.\/([a-z-]+)\.ts", import\.meta\.url\)/g;

/** Replaces what stands in the folder. Rejects when the source cannot be built. */
export async function buildProgram(folder: string): Promise<void> {
  const bundle = await rolldown({
    cwd: root,
    input: { "llm-gateway": join(source, "main.ts"), ...startedFiles() },
    platform: "node",
    external: notBundled,
    plugins: [startedAsJavaScript, httpWithoutFetch],
    onLog: (level, log) => {
      if (level === "warn") throw new Error(log.message);
    },
  });
  // All in one folder, so that "./" means the same in each file.
  await bundle.write({
    dir: folder,
    format: "esm",
    cleanDir: true,
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
  });
  await bundle.close();
  cpSync(join(source, "catalogue/prices"), join(folder, "prices"), { recursive: true });
}

/** By name, without its extension. */
function startedFiles(): Readonly<Record<string, string>> {
  const files = globSync("**/*.ts", { cwd: source }).filter((file) => !file.endsWith(".test.ts"));
  const started = files.flatMap((file) =>
    [...readFileSync(join(source, file), "utf8").matchAll(startedFile)].map(([, name]) =>
      join(source, file, "..", `${name}.ts`),
    ),
  );
  return Object.fromEntries(started.map((path) => [basename(path, ".ts"), path]));
}

const startedAsJavaScript: Plugin = {
  name: "started-as-javascript",
  transform: (code) => code.replaceAll(startedFile, 'new URL("./$1.js", import.meta.url)'),
};

/**
 * To import from node:http as a module is to look at each of its names, and for one of them, WebSocket, Node then loads its
 * own fetch: 15 ms of a start, for nothing. What is not among these names fails the build.
 */
const httpNames = ["IncomingMessage", "createServer", "request"];
const httpModule = "\0http-without-fetch";

const httpWithoutFetch: Plugin = {
  name: "http-without-fetch",
  resolveId: (id, _importer, { kind }) =>
    /^(node:)?http$/.test(id) && kind === "import-statement" ? httpModule : null,
  load: (id) =>
    id === httpModule
      ? `const http = process.getBuiltinModule("node:http");
         export default http;
         export const { ${httpNames.join(", ")} } = http;`
      : null,
};
