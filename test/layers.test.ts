// Who may import whom, as docs/architecture.md says. Read from the imports themselves, so that it cannot drift; and it
// fails when it sees no modules, since a checker that sees nothing approves of everything.
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { describe, expect, it } from "vitest";

const source = join(import.meta.dirname, "../src");

type Import = { readonly from: string; readonly to: string };

/** Folders that each folder may import, beside itself. `*`: everything. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  domain: ["contract"],
  wire: [],
  encoding: ["domain", "contract", "pipeline/ports"],
  validation: ["domain", "contract"],
  catalogue: ["domain", "contract", "pipeline/ports", "metering", "config/config"],
  providers: ["domain", "wire", "contract"],
  policy: ["domain", "contract", "pipeline/ports", "config/config", "state"],
  routing: ["domain", "contract", "pipeline/ports", "config/config"],
  metering: ["domain", "contract", "pipeline/ports"],
  pipeline: [
    "domain",
    "wire",
    "contract",
    "encoding",
    "providers/provider",
    "policy",
    "routing",
    "metering",
    "upstream/upstream",
  ],
  upstream: ["domain", "wire", "contract", "pipeline/ports", "config/config"],
  ledger: ["domain", "contract", "encoding", "pipeline/ports", "config/config"],
  state: ["domain", "contract", "config/config"],
  telemetry: ["domain", "contract", "pipeline/ports", "config/config"],
  server: ["domain", "contract", "encoding", "pipeline/ports", "validation"],
  simulator: ["wire"],
  admin: ["domain", "contract", "config/config", "policy", "routing/router", "state"],
  config: ["domain", "providers/provider"],
  cli: ["*"],
  main: ["*"],
};

/** Packages that open sockets, files or clocks: one folder each. */
const packageOwners: Readonly<Record<string, readonly string[]>> = {
  undici: ["upstream"],
  "@nats-io/transport-node": ["ledger", "state", "cli"],
  "@nats-io/jetstream": ["ledger", "state"],
  "@nats-io/kv": ["state"],
  pino: ["telemetry"],
  "@connectrpc/connect-node": ["server", "cli"],
  "google-auth-library": ["upstream"],
  "@bufbuild/cel": ["routing", "policy", "validation"],
  "@bufbuild/protovalidate": ["validation"],
};

const pureFolders = ["domain", "wire", "encoding", "providers", "policy", "routing", "metering", "validation"];

describe("the layers of the source tree", () => {
  const files = globSync("**/*.ts", { cwd: source }).filter((file) => !file.endsWith(".test.ts"));
  const imports = files.flatMap(importsOf);

  it("are seen at all", () => {
    expect(files.length).toBeGreaterThan(50);
    expect(imports.length).toBeGreaterThan(100);
  });

  it("import only to the right", () => {
    expect(
      imports
        .filter((edge) => edge.to.startsWith("."))
        .filter((edge) => !isAllowed(edge))
        .map(show),
    ).toEqual([]);
  });

  it("open sockets only in the folder that owns the package", () => {
    const strays = imports.filter(({ from, to }) => {
      const owners = Object.entries(packageOwners).find(([name]) => to === name || to.startsWith(`${name}/`))?.[1];
      return owners !== undefined && !owners.includes(folderOf(from));
    });
    expect(strays.map(show)).toEqual([]);
  });

  it("keep the pure folders pure", () => {
    const impure = ["node:fs", "node:net", "node:http", "node:http2", "node:child_process", "node:dns", "node:timers"];
    const strays = imports.filter(({ from, to }) => pureFolders.includes(folderOf(from)) && impure.includes(to));
    expect(strays.map(show)).toEqual([]);
  });

  it("keep one provider from knowing another, but for the shared dialects", () => {
    const shared = ["compatible", "load-provider.ts"];
    const strays = imports.filter(({ from, to }) => {
      const [, own] = from.split(sep);
      if (folderOf(from) !== "providers" || own === undefined || own === "load-provider.ts" || !to.startsWith("."))
        return false;
      const [folder, other] = relative(source, join(source, dirname(from), to)).split(sep);
      return (
        folder === "providers" &&
        other !== undefined &&
        !other.endsWith(".ts") &&
        other !== own &&
        !shared.includes(other) &&
        !hosts(own, other)
      );
    });
    expect(strays.map(show)).toEqual([]);
  });
});

/** A cloud that hosts another vendor's API speaks that vendor's wire. */
function hosts(own: string, other: string): boolean {
  const hosted: Readonly<Record<string, readonly string[]>> = {
    "azure-openai": ["openai"],
    vertex: ["gemini", "anthropic"],
    bedrock: ["anthropic"],
  };
  return hosted[own]?.includes(other) ?? false;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(source, file), "utf8");
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^;"']*?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/g,
  );
  return [...found].map((match) => ({ from: file, to: match[1] ?? match[2] ?? "" }));
}

function isAllowed({ from, to }: Import): boolean {
  const own = folderOf(from);
  const target = relative(source, join(source, dirname(from), to));
  const folder = folderOf(target);
  if (target.startsWith("..")) return own === "contract" || own === "cli";
  if (folder === own) return true;
  const rules = allowed[own];
  expect(rules, `src/${own} stands in no row of the import table`).toBeDefined();
  return (rules ?? []).some((rule) => rule === "*" || rule === folder || target === `${rule.replaceAll("/", sep)}.ts`);
}

function folderOf(file: string): string {
  const [first = ""] = file.split(sep);
  return first.replace(/\.ts$/, "");
}

function show({ from, to }: Import): string {
  return `${from} → ${to}`;
}
