/** Bits of the frame header's flags in exchange frames (docs/protocol/exchanges.md). */
export const MORE = 1;
/** On a credit frame: it returns room for input, so it comes from the provider. */
export const FOR_INPUT = 2;
/** On an event frame: the unfinished event before it is dropped. */
export const RESTART = 4;
