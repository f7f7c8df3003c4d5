/** Logical lanes of a link, most urgent first. Order is kept within a lane, never promised between lanes. */
export const LANES = ["control", "high", "normal", "bulk"] as const;
export type Lane = (typeof LANES)[number];
