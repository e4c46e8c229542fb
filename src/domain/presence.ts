// The port between policy and the list of instances that are alive: for limits on what is in flight, which cannot be leased,
// since nobody would know what a killed instance held.

export interface Presence {
  /**
   * This instance's part of a number of slots, so that the parts of all instances are never more together; 0 while others
   * make room for it. `undefined`: it was cut off for so long that the others may have taken its part.
   */
  share(total: number, gate: string): number | undefined;
  /** As `share`, but what it was when the instance was last connected. */
  lastShare(total: number, gate: string): number;
  /** Instances, this one included, as far as known; 1 or more. */
  readonly instances: number;
}

/** A gate with more calls in flight than a share would allow. */
export type Crowded = { readonly gate: string; readonly inUse: number };
