import type { Stream, StreamListener } from "../stream.ts";

/** What a stream was told, in order: "data:<bytes>", "end", "drain", "close". */
export type ToldListener = StreamListener & { readonly told: string[] };

/** `react`: what a handler does when it is told. */
export function tellingListener(stream: Stream, react: (what: string) => void = () => undefined): ToldListener {
  const told: string[] = [];
  const tell = (what: string) => {
    told.push(what);
    react(what);
  };
  const listener: ToldListener = {
    told,
    onData: (chunk) => {
      tell(`data:${chunk.length}`);
      return true;
    },
    onEnd: () => tell("end"),
    onDrain: () => tell("drain"),
    onClose: () => tell("close"),
  };
  stream.listen(listener);
  return listener;
}
