// The clients of the Go world, built from one module whose sums are in the repository. Nothing is built when Go is absent:
// the gateway and all else about it can be tested without.
import { execFile, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const folder = join(import.meta.dirname, "go");
const binaries = join(import.meta.dirname, "../../node_modules/.cache/go-clients");

export const isGoInstalled = spawnSync("go", ["version"]).status === 0;

export type GoClients = { readonly grpcGo: string; readonly grpcurl: string };

/** Paths of the binaries. A few seconds, and about a minute the first time. */
export async function buildGoClients(): Promise<GoClients> {
  mkdirSync(binaries, { recursive: true });
  const packages = [".", "github.com/fullstorydev/grpcurl/cmd/grpcurl"];
  await promisify(execFile)("go", ["build", "-o", `${binaries}/`, ...packages], { cwd: folder });
  return { grpcGo: join(binaries, "grpc-go-client"), grpcurl: join(binaries, "grpcurl") };
}
