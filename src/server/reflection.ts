// Server reflection, v1 and v1alpha (some graphical clients still ask for the latter; the messages are the same). Lists the
// registered services; describes them with everything they import, custom options and validate.proto included.
import {
  create,
  type DescEnum,
  type DescExtension,
  type DescFile,
  type DescMessage,
  type DescService,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import {
  file_llmgateway_v1_error_reason,
  file_llmgateway_v1_errors,
  reflectionV1,
  reflectionV1alpha,
  rpcDetails,
} from "../contract.ts";

type Question =
  | { readonly case: "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType"; readonly value: string }
  | { readonly case: "listServices"; readonly value: string }
  | {
      readonly case: "fileContainingExtension";
      readonly value: { readonly containingType: string; readonly extensionNumber: number };
    }
  | { readonly case: undefined; readonly value?: undefined };

type Answer =
  | { readonly case: "fileDescriptorResponse"; readonly value: { fileDescriptorProto: Uint8Array[] } }
  | { readonly case: "listServicesResponse"; readonly value: { service: { name: string }[] } }
  | {
      readonly case: "allExtensionNumbersResponse";
      readonly value: { baseTypeName: string; extensionNumber: number[] };
    }
  | { readonly case: "errorResponse"; readonly value: { errorCode: number; errorMessage: string } };

/** Types of the status details, which no service imports: with them generic clients print a failure in words. */
const detailFiles = [
  file_llmgateway_v1_errors,
  file_llmgateway_v1_error_reason,
  rpcDetails.file_google_rpc_error_details,
];

export function registerReflection(router: ConnectRouter, services: readonly DescService[]): void {
  const { ServerReflection: v1, ServerReflectionResponseSchema: v1Response } = reflectionV1;
  const { ServerReflection: v1alpha, ServerReflectionResponseSchema: v1alphaResponse } = reflectionV1alpha;
  const index = new SchemaIndex([...services, v1, v1alpha], detailFiles);

  router.service(v1, {
    async *serverReflectionInfo(requests) {
      for await (const originalRequest of requests) {
        const messageResponse = index.answer(originalRequest.messageRequest);
        yield create(v1Response, { validHost: originalRequest.host, originalRequest, messageResponse });
      }
    },
  });
  router.service(v1alpha, {
    async *serverReflectionInfo(requests) {
      for await (const originalRequest of requests) {
        const messageResponse = index.answer(originalRequest.messageRequest);
        yield create(v1alphaResponse, { validHost: originalRequest.host, originalRequest, messageResponse });
      }
    },
  });
}

class SchemaIndex {
  readonly #serviceNames: readonly string[];
  readonly #fileByName = new Map<string, DescFile>();
  readonly #fileBySymbol = new Map<string, DescFile>();
  readonly #messageNames = new Set<string>();
  readonly #extensionsByType = new Map<string, Map<number, DescFile>>();

  /** `files`: known beside what the services import. */
  constructor(services: readonly DescService[], files: readonly DescFile[]) {
    this.#serviceNames = services.map((service) => service.typeName).sort();
    for (const service of services) {
      this.#addFile(service.file);
    }
    for (const file of files) {
      this.#addFile(file);
    }
  }

  answer(question: Question): Answer {
    switch (question.case) {
      case "listServices":
        return { case: "listServicesResponse", value: { service: this.#serviceNames.map((name) => ({ name })) } };
      case "fileByFilename":
        return toFileAnswer(this.#fileByName.get(question.value), question.value);
      case "fileContainingSymbol":
        return toFileAnswer(this.#fileBySymbol.get(question.value.replace(/^\./, "")), question.value);
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = question.value;
        const file = this.#extensionsByType.get(containingType)?.get(extensionNumber);
        return toFileAnswer(file, `extension ${extensionNumber} of ${containingType}`);
      }
      case "allExtensionNumbersOfType":
        return this.#toExtensionNumbers(question.value);
      default:
        return toError(Code.InvalidArgument, "the request asks nothing that this server knows");
    }
  }

  #toExtensionNumbers(baseTypeName: string): Answer {
    if (!this.#messageNames.has(baseTypeName)) {
      return toError(Code.NotFound, `${baseTypeName} is not known here`);
    }
    const extensionNumber = [...(this.#extensionsByType.get(baseTypeName)?.keys() ?? [])].sort((a, b) => a - b);
    return { case: "allExtensionNumbersResponse", value: { baseTypeName, extensionNumber } };
  }

  #addFile(file: DescFile): void {
    const name = file.proto.name;
    if (this.#fileByName.has(name)) {
      return;
    }
    this.#fileByName.set(name, file);
    for (const dependency of file.dependencies) {
      this.#addFile(dependency);
    }
    for (const message of file.messages) {
      this.#addMessage(message);
    }
    for (const desc of file.enums) {
      this.#addEnum(desc);
    }
    for (const extension of file.extensions) {
      this.#addExtension(extension);
    }
    for (const service of file.services) {
      this.#fileBySymbol.set(service.typeName, file);
      for (const method of service.methods) {
        this.#fileBySymbol.set(`${service.typeName}.${method.name}`, file);
      }
    }
  }

  #addMessage(message: DescMessage): void {
    this.#messageNames.add(message.typeName);
    this.#fileBySymbol.set(message.typeName, message.file);
    for (const member of [...message.fields, ...message.oneofs]) {
      this.#fileBySymbol.set(`${message.typeName}.${member.name}`, message.file);
    }
    for (const nested of message.nestedMessages) {
      this.#addMessage(nested);
    }
    for (const nested of message.nestedEnums) {
      this.#addEnum(nested);
    }
    for (const nested of message.nestedExtensions) {
      this.#addExtension(nested);
    }
  }

  /** The values of an enum stand beside it, not in it: that is protobuf's scoping. */
  #addEnum(desc: DescEnum): void {
    this.#fileBySymbol.set(desc.typeName, desc.file);
    const scope = desc.typeName.slice(0, desc.typeName.lastIndexOf(".") + 1);
    for (const value of desc.values) {
      this.#fileBySymbol.set(`${scope}${value.name}`, desc.file);
    }
  }

  #addExtension(extension: DescExtension): void {
    this.#fileBySymbol.set(extension.typeName, extension.file);
    const known = this.#extensionsByType.get(extension.extendee.typeName) ?? new Map<number, DescFile>();
    known.set(extension.number, extension.file);
    this.#extensionsByType.set(extension.extendee.typeName, known);
  }
}

function toFileAnswer(file: DescFile | undefined, asked: string): Answer {
  if (file === undefined) {
    return toError(Code.NotFound, `${asked} is not known here`);
  }
  const files = [...withDependencies(file, new Set())];
  const fileDescriptorProto = files.map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

/** The file first, as clients that read only one expect. */
function withDependencies(file: DescFile, seen: Set<DescFile>): Set<DescFile> {
  if (!seen.has(file)) {
    seen.add(file);
    for (const dependency of file.dependencies) {
      withDependencies(dependency, seen);
    }
  }
  return seen;
}

function toError(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
