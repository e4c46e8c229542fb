// What a provider's stream says, in the words of the contract but before numbering: plain values, so that the hot path
// builds one small object for a delta and no protobuf message. `index` is the part's position in the message.
import type { Citation, JsonFacts, OpaqueState, Part, TokenLogprob } from "./contract-types.ts";

export type StreamEvent =
  /** A part begins with everything known by now. For a tool call at least its id and name. */
  | { readonly kind: "part-start"; readonly index: number; readonly part: Part }
  /** To `TextPart.text`, `RefusalPart.text` or `Media.transcript`. Whole code points; empty only beside log probabilities of a token without text. */
  | {
      readonly kind: "text-delta";
      readonly index: number;
      readonly text: string;
      readonly logprobs?: readonly TokenLogprob[] | undefined;
    }
  | { readonly kind: "reasoning-delta"; readonly index: number; readonly text: string }
  | { readonly kind: "arguments-delta"; readonly index: number; readonly json: string }
  /** To `Media.data`. */
  | { readonly kind: "data-delta"; readonly index: number; readonly data: Uint8Array }
  | { readonly kind: "citation-delta"; readonly index: number; readonly citation: Citation }
  /** Sets `provider` and `item_id` when not empty, concatenates `data`. */
  | { readonly kind: "state-delta"; readonly index: number; readonly state: OpaqueState }
  | { readonly kind: "metadata-delta"; readonly index: number; readonly entries: JsonFacts }
  /** Nothing more will change in this part. */
  | { readonly kind: "part-end"; readonly index: number }
  /** Parts from `keepParts` on are withdrawn (RECOVERY_MODE_RESTART only; made by the pipeline, never by a reader). */
  | { readonly kind: "parts-reset"; readonly keepParts: number; readonly attemptNumber: number };
