// Law 23 of the contract: gRPC, gRPC-Web and Connect give equal messages, codes and details for one script of calls.
import { beforeAll, describe, expect, it } from "vitest";
import { buildGoClients, isGoInstalled } from "./build-go-clients.ts";
import { type Player, players, playGrpcGo } from "./players.ts";
import { script } from "./script.ts";
import { type Outcome, type RawOutcome, toComparable } from "./scripted-call.ts";
import { startDeployment } from "./test-deployment.ts";

let expected: ReadonlyMap<string, Outcome>;

beforeAll(async () => {
  const [first] = players;
  expected = await outcomesOf(first);
});

/** Before a gateway of its own, since failures of a provider change what the next caller is told. */
async function outcomesOf(player: Pick<Player, "play"> | undefined): Promise<ReadonlyMap<string, Outcome>> {
  const deployment = await startDeployment();
  try {
    const raw = (await player?.play(deployment.gateway.port, script)) ?? [];
    return new Map(script.map(({ name, method }, index) => [name, toComparable(method, raw[index] ?? nothing)]));
  } finally {
    await deployment.stop();
  }
}

const nothing: RawOutcome = { messages: [], code: -1, message: "no answer", details: [], pushback: undefined };

describe("one script of calls", () => {
  it("ends as the contract says", () => {
    const ends = script.map(({ name }) => {
      const { code, details } = expected.get(name) ?? {};
      const info = details?.find(({ type }) => type === "google.rpc.ErrorInfo")?.value;
      const reason = info !== null && typeof info === "object" && !Array.isArray(info) ? info?.["reason"] : undefined;
      return [name, code, reason];
    });
    expect(ends).toEqual([
      ["a completion", 0, undefined],
      ["a completion in a stream", 0, undefined],
      ["a count of tokens", 0, undefined],
      ["the models", 0, undefined],
      ["a request that breaks a rule", 3, "INVALID_REQUEST"],
      ["an empty request", 3, "INVALID_REQUEST"],
      ["an unknown model", 5, "MODEL_NOT_FOUND"],
      ["an unknown model in a stream", 5, "MODEL_NOT_FOUND"],
      ["a model that is not there to be read", 5, "MODEL_NOT_FOUND"],
      ["a wrong key", 16, "CREDENTIALS_INVALID"],
      ["a wrong key for usage", 16, "CREDENTIALS_INVALID"],
      ["a provider that limits", 8, "PROVIDER_RATE_LIMITED"],
      ["a provider that refuses", 3, "PROVIDER_REJECTED_REQUEST"],
      ["a provider that breaks off", 10, "STREAM_INTERRUPTED"],
    ]);
  });

  it.each(players.slice(1))("is told alike by $name", async (player) => {
    expect(Object.fromEntries(await outcomesOf(player))).toEqual(Object.fromEntries(expected));
  });

  it.runIf(isGoInstalled)("is told alike by grpc-go", { timeout: 300_000 }, async () => {
    const { grpcGo } = await buildGoClients();
    const player = { play: (port: number, calls: typeof script) => playGrpcGo(grpcGo, port, calls) };
    expect(Object.fromEntries(await outcomesOf(player))).toEqual(Object.fromEntries(expected));
  });
});
