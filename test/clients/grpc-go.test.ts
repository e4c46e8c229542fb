// What a Go service and an operator with grpcurl meet: clients that share no code with the gateway, before a real one.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type CompleteResponse,
  CompleteResponseSchema,
  InferenceService,
  rpcDetails,
  StreamCompleteResponseSchema,
} from "../../src/contract.ts";
import { testSecret } from "../gateway-process.ts";
import { buildGoClients, type GoClients, isGoInstalled } from "./build-go-clients.ts";
import { type GoCall, type GoOutcome, playGrpcGo } from "./players.ts";
import { ask, askStream } from "./script.ts";
import { scripted } from "./scripted-call.ts";
import { type Deployment, startDeployment } from "./test-deployment.ts";

const { complete, streamComplete } = InferenceService.method;
const buildTimeoutMs = 300_000;

describe.runIf(isGoInstalled)("clients of the Go world", () => {
  let deployment: Deployment;
  let clients: GoClients;
  beforeAll(async () => {
    clients = await buildGoClients();
    deployment = await startDeployment();
  }, buildTimeoutMs);
  afterAll(() => deployment?.stop());

  async function play(call: GoCall): Promise<GoOutcome> {
    const [outcome] = await playGrpcGo(clients.grpcGo, deployment.gateway.port, [call]);
    if (outcome === undefined) throw new Error("grpc-go gave no outcome");
    return outcome;
  }

  function textOf({ messages: [bytes] }: GoOutcome): string {
    const response: CompleteResponse = fromBinary(CompleteResponseSchema, bytes ?? new Uint8Array());
    return (response.message?.parts ?? [])
      .map(({ content }) => (content.case === "text" ? content.value.text : ""))
      .join("");
  }

  describe("grpc-go", () => {
    it("completes, plain and compressed, and reads the names of the call in the headers", async () => {
      const plain = await play(scripted("", complete, ask("small")));
      const compressed = await play({ ...scripted("", complete, ask("small")), gzip: true });
      expect([plain.code, compressed.code]).toEqual([0, 0]);
      expect(textOf(plain)).not.toBe("");
      expect(textOf(compressed)).toBe(textOf(plain));
      expect(plain.header["llmgateway-response-id"]).toHaveLength(1);
    });

    it("streams from the first event to the last", async () => {
      const { code, messages } = await play(scripted("", streamComplete, askStream("small")));
      const kinds = messages.map((bytes) => fromBinary(StreamCompleteResponseSchema, bytes).event.case);
      expect(code).toBe(0);
      expect([kinds.at(0), kinds.at(-1)]).toEqual(["started", "completed"]);
    });

    it("reads the details of a status", async () => {
      const { code, details, pushback } = await play(
        scripted("", complete, { ...ask("small"), sampling: { temperature: 7 } }),
      );
      const badRequest = details.find(({ type }) => type === "google.rpc.BadRequest");
      const { fieldViolations } = fromBinary(rpcDetails.BadRequestSchema, badRequest?.value ?? new Uint8Array());
      expect([code, pushback, fieldViolations.map(({ field }) => field)]).toEqual([3, "-1", ["sampling.temperature"]]);
    });

    it("cancels in mid-stream, and the provider's connection is closed", async () => {
      const { code, messages } = await play({ ...scripted("", streamComplete, askStream("long")), cancelAfter: 5 });
      expect(code).toBe(1);
      expect(messages.length).toBeGreaterThanOrEqual(5);
      const exchange = await deployment.simulator.waitForRequest(({ body }) => body.includes("sim-tokens-200"));
      expect(await exchange.closed).toBe("closed-early");
    });

    it("hears of its deadline", async () => {
      const { code } = await play(scripted("", complete, ask("slow"), { deadlineMs: 300 }));
      expect(code).toBe(4);
    });
  });

  describe("grpcurl", () => {
    async function grpcurl(...args: string[]): Promise<string> {
      const { stdout } = await promisify(execFile)(clients.grpcurl, ["-plaintext", ...args]);
      return stdout;
    }
    const address = () => `127.0.0.1:${deployment.gateway.port}`;

    it("lists the services", async () => {
      const listed = await grpcurl(address(), "list");
      expect(listed.split("\n")).toEqual(
        expect.arrayContaining([
          "grpc.health.v1.Health",
          "llmgateway.usage.v1.UsageService",
          "llmgateway.v1.InferenceService",
          "llmgateway.v1.ModelService",
        ]),
      );
    });

    it("describes a method and a message with its rules", async () => {
      expect(await grpcurl(address(), "describe", "llmgateway.v1.InferenceService.Complete")).toContain(
        "rpc Complete ( .llmgateway.v1.CompleteRequest ) returns ( .llmgateway.v1.CompleteResponse );",
      );
      expect(await grpcurl(address(), "describe", "llmgateway.v1.CompleteRequest")).toContain("buf.validate.field");
    });

    it("calls, and prints what a failure says", async () => {
      const authorization = ["-H", `authorization: Bearer ${testSecret}`];
      const answer = await grpcurl(...authorization, "-d", questionFor("small"), address(), completePath);
      expect(JSON.parse(answer)).toMatchObject({ model: "sim-small", finishReason: "FINISH_REASON_STOP" });
      const failing = grpcurl(...authorization, "-d", questionFor("nonsense"), address(), completePath);
      await expect(failing).rejects.toMatchObject({ stderr: expect.stringContaining("MODEL_NOT_FOUND") });
    });
  });
});

const completePath = "llmgateway.v1.InferenceService/Complete";

function questionFor(model: string): string {
  return JSON.stringify({ model, messages: [{ role: "ROLE_USER", parts: [{ text: { text: "Why?" } }] }] });
}
