// Why a question is not answered though nothing is broken: it asks for more than is worked on.

export type QuestionFailureKind = "too-slow" | "too-many-names" | "too-many-rows" | "given-up";

export class QuestionFailure extends Error {
  override readonly name = "QuestionFailure";
  readonly kind: QuestionFailureKind;
  /** Column of the index that it is about; "": none. */
  readonly source: string;

  constructor(kind: QuestionFailureKind, source = "") {
    super(source === "" ? kind : `${kind}: ${source}`);
    this.kind = kind;
    this.source = source;
  }
}
