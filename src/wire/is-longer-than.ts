/** Whether a text is longer than so many bytes of UTF-8. Counts only when the number of code units leaves doubt. */
export function isLongerThan(text: string, bytesMax: number): boolean {
  if (text.length * 3 <= bytesMax) return false; // No UTF-16 code unit needs more than three bytes.
  return text.length > bytesMax || Buffer.byteLength(text) > bytesMax;
}
