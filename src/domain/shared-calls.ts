// What replicas tell each other of calls that may be asked for again. Bytes of questions, answers and outcomes are opaque
// here: `pipeline/replay` writes and reads them, `state/calls` carries and keeps them.

/** A request id belongs to a project: the same id of another project is another call. */
export type RequestKey = { readonly projectId: string; readonly requestId: string };

export type ResponseKey = { readonly projectId: string; readonly responseId: string };

/** What the claim of a call says of it. */
export type ClaimedCall = {
  /** Of the payload, SHA-256 in hex. */
  readonly digest: string;
  readonly responseId: string;
};

/** Who has a request id. */
export type ClaimOutcome =
  /** Nobody had it, or who had it has died: the call is this replica's. */
  | { readonly kind: "ours"; readonly claim: Claim }
  | { readonly kind: "other-payload" }
  /** `owner` names one life of one replica, maybe this one. */
  | { readonly kind: "running"; readonly owner: string; readonly responseId: string }
  | { readonly kind: "over"; readonly responseId: string; readonly outcome: Uint8Array };

/** A request id that is this replica's. One of its methods is called, once; neither rejects, whatever becomes of NATS. */
export interface Claim {
  /** Keeps the outcome for all replicas, when it is not too large; resolves when that is done or given up. */
  keep(outcome: Uint8Array): Promise<void>;
  /** The request id may be used anew. */
  release(): Promise<void>;
}

/** Bytes from the owner of a call to one who asked for it. */
export interface AnswerLink {
  /** False: more waits than the other side takes now, and `AnswerHolder.drained` follows. */
  send(bytes: Uint8Array): boolean;
  /** Nothing more follows what was sent. */
  end(): void;
}

/** The owner's side of a link. */
export interface AnswerHolder {
  /** What was sent is on its way. */
  drained(): void;
  /** Who asked has gone, or its replica has died. */
  gone(): void;
}

/** Hears of one question: bytes in order without a gap, then one of the other two. */
export interface AnswerListener {
  /** `QuestionLink.taken` is to be told of them, sooner or later. */
  bytes(bytes: Uint8Array): void;
  ended(): void;
  /** Something was lost, or nothing is heard of the owner. What came until then was right. */
  lost(): void;
}

/** The asking side of a link. */
export interface QuestionLink {
  /** So many more bytes may come. */
  taken(bytes: number): void;
  /** The answer is not wanted any more; the listener hears nothing more. */
  leave(): void;
}

/** State and messages that replicas share. Rejects with `SharedStateError` while NATS cannot be asked. */
export interface SharedCalls {
  /** What a call with a request id does when NATS cannot be asked: it is known to this replica alone, or refused. */
  readonly onStateFailure: "local" | "closed";
  /** `lost`: the response id that its owner does not know any more; its claim is taken over. */
  claim(key: RequestKey, call: ClaimedCall, lost: string | undefined): Promise<ClaimOutcome>;
  /** Lets other replicas find a stream by its cursor. */
  announce(key: ResponseKey): Promise<void>;
  /** Never rejects: what cannot be withdrawn goes with its time. */
  withdraw(key: ResponseKey): Promise<void>;
  /** The living owner of a stream; `undefined`: nobody has it. */
  locate(key: ResponseKey): Promise<string | undefined>;
  isPresent(owner: string): Promise<boolean>;
  /** From now on other replicas' questions are answered. `undefined`: nothing is held for it, the link has ended. */
  serve(answer: (question: Uint8Array, link: AnswerLink) => AnswerHolder | undefined): void;
  ask(owner: string, question: Uint8Array, listener: AnswerListener): QuestionLink;
}

/** NATS is away, refuses, or is too slow. */
export class SharedStateError extends Error {
  override readonly name = "SharedStateError";
}
