const nanosPerMicro = 1000n;
const microsPerUsd = 1_000_000n;

/** "0.001235": US dollars to the millionth, rounded half up in size. */
export function formatUsd(nanoUsd: bigint): string {
  const size = nanoUsd < 0n ? -nanoUsd : nanoUsd;
  const micros = (size + nanosPerMicro / 2n) / nanosPerMicro;
  const sign = nanoUsd < 0n && micros > 0n ? "-" : "";
  return `${sign}${micros / microsPerUsd}.${String(micros % microsPerUsd).padStart(6, "0")}`;
}
