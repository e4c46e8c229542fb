/** The object has changed, or exists, or is gone: not as the writer expected. */
export class RevisionConflict extends Error {
  override readonly name = "RevisionConflict";

  constructor(key: string) {
    super(`the object ${key} is not as expected`);
  }
}
