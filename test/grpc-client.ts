// @grpc/grpc-js, the client that most callers use, over the generated descriptors: no protobuf toolchain of its own.
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { testSecret } from "./gateway-process.ts";

export type CallOptions = {
  readonly secret?: string | undefined;
  readonly deadlineMs?: number | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Cancels a unary call. */
  readonly signal?: AbortSignal | undefined;
};

export class TestClient {
  readonly #client: grpc.Client;

  /** `ownConnection`: shares no connection with other clients of this process, as grpc-js does by itself. */
  constructor(port: number, options: { readonly ownConnection?: boolean } = {}) {
    this.#client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      ...(options.ownConnection === true ? { "grpc.use_local_subchannel_pool": 1 } : {}),
    });
  }

  close(): void {
    this.#client.close();
  }

  /** Rejects with grpc-js's `ServiceError`. */
  unary<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethod & { input: Input; output: Output },
    request: MessageInitShape<Input>,
    options: CallOptions = {},
  ): Promise<MessageShape<Output>> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        pathOf(method),
        (message: MessageShape<Input>) => Buffer.from(toBinary(method.input, message)),
        (bytes: Buffer) => fromBinary(method.output, bytes),
        create(method.input, request),
        metadataOf(options),
        callOptionsOf(options),
        (error, response) => {
          if (error !== null) reject(error);
          else if (response === undefined) reject(new Error("no response"));
          else resolve(response);
        },
      );
      options.signal?.addEventListener("abort", () => call.cancel());
    });
  }

  stream<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethod & { input: Input; output: Output },
    request: MessageInitShape<Input>,
    options: CallOptions = {},
  ): grpc.ClientReadableStream<MessageShape<Output>> {
    return this.#client.makeServerStreamRequest(
      pathOf(method),
      (message: MessageShape<Input>) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes),
      create(method.input, request),
      metadataOf(options),
      callOptionsOf(options),
    );
  }
}

/** Everything that a stream sent, and how it ended; `error` undefined: OK. */
export async function collect<Message>(
  stream: grpc.ClientReadableStream<Message>,
): Promise<{ readonly messages: readonly Message[]; readonly error: grpc.ServiceError | undefined }> {
  const messages: Message[] = [];
  try {
    for await (const message of stream) messages.push(message as Message);
    return { messages, error: undefined };
  } catch (error) {
    return { messages, error: error as grpc.ServiceError };
  }
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function metadataOf(options: CallOptions): grpc.Metadata {
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${options.secret ?? testSecret}`);
  for (const [name, value] of Object.entries(options.metadata ?? {})) metadata.set(name, value);
  return metadata;
}

function callOptionsOf(options: CallOptions): grpc.CallOptions {
  return options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs };
}
