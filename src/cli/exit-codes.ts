/** The disk of the usage journal has failed; see docs/operations.md. */
export const exitCodePoisoned = 70;
