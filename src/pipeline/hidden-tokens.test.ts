import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { CompleteRequestSchema, Role, StreamCompleteRequestSchema, StreamOptionsSchema } from "../contract.ts";
import { createOpenAiProvider } from "../providers/openai/index.ts";
import { openAiWire, streamScript } from "./testing/chat-answers.ts";
import { RecordingStream } from "./testing/recording-sinks.ts";
import { settled, World } from "./testing/world.ts";

const provider = createOpenAiProvider({ id: "openai", kind: "openai" });

/** Beats every 20 ms. */
const request = create(StreamCompleteRequestSchema, {
  start: {
    case: "request",
    value: create(CompleteRequestSchema, {
      model: "m",
      messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text: "Think." } } }] }],
    }),
  },
  options: create(StreamOptionsSchema, { heartbeatInterval: { nanos: 20_000_000 } }),
});

function chunk(delta: object, reasoningTokens?: number): string {
  const details = { completion_tokens_details: { reasoning_tokens: reasoningTokens } };
  const usage = reasoningTokens === undefined ? undefined : { prompt_tokens: 3, completion_tokens: 50, ...details };
  return `data: ${JSON.stringify({ id: "c", model: "m", choices: [{ index: 0, delta, finish_reason: null }], usage })}\n\n`;
}

/** Plays these pieces, and hears the first heartbeat after them that is not the one of another silence. */
async function beatAfter(pieces: readonly string[], isAwaited: (hidden: number | undefined) => boolean) {
  const rest = openAiWire.events({ text: ["Done."] });
  const script = streamScript([...pieces, ...rest]);
  const world = new World({ providers: [provider], scriptOf: () => script });
  const stream = new RecordingStream();
  world.open("StreamComplete").streamComplete(request, stream);
  for (let step = 0; step <= pieces.length; step += 1) {
    await settled();
    world.upstream.playable[0]?.play();
  }
  const beats = () =>
    stream.heard.flatMap(({ event }) => (event.kind === "heartbeat" ? [event.hiddenOutputTokens] : []));
  await expect.poll(() => beats().some(isAwaited), { timeout: 10_000 }).toBe(true);
  await world.playOut();
  expect(stream.ends).toEqual(["ok"]);
  return beats().at(-1);
}

describe("a heartbeat", () => {
  it("tells the hidden tokens that the provider tells of while it thinks", async () => {
    const hidden = await beatAfter([chunk({ role: "assistant", content: "" }, 48)], (tokens) => tokens === 48);
    expect(hidden).toBe(48);
  });

  it("does not count as hidden what was shown", async () => {
    const shown = "x".repeat(40); // About ten tokens.
    const hidden = await beatAfter([chunk({ reasoning_content: shown }, 48)], (tokens) => tokens === 38);
    expect(hidden).toBe(38);
  });

  it("says nothing of them where the provider does not tell", async () => {
    const hidden = await beatAfter([chunk({ role: "assistant", content: "" })], () => true);
    expect(hidden).toBeUndefined();
  });
});
