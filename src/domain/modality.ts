// The contract's modalities by the names that the operator's file, grants and the catalogue use.
import { Modality } from "../contract.ts";

export type ModalityName = "text" | "image" | "audio" | "video" | "document" | "embedding";

export const modalityByName = {
  text: Modality.TEXT,
  image: Modality.IMAGE,
  audio: Modality.AUDIO,
  video: Modality.VIDEO,
  document: Modality.DOCUMENT,
  embedding: Modality.EMBEDDING,
} as const satisfies Record<ModalityName, Modality>;

export const nameByModality: ReadonlyMap<Modality, ModalityName> = new Map(
  (Object.keys(modalityByName) as ModalityName[]).map((name) => [modalityByName[name], name]),
);
