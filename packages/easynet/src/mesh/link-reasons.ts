import { type EasynetError, isEasynetError } from "../kernel/index.ts";

/** The other end has a link to us already, and keeps that one. */
export const DUPLICATE = "duplicate";
/** A link that one end had dialled for a call, and that nobody uses any more. */
export const UNNEEDED = "not needed any more";

export function isDuplicate(error: unknown): boolean {
  return isEasynetError(error, "LINK_CLOSED") && error.details["reason"] === DUPLICATE;
}

/** Why a link ended, for people and logs. */
export function reasonOf(error: EasynetError): string {
  const reason = error.details["reason"];
  if (error.code === "LINK_CLOSED" && typeof reason === "string") return reason;
  return error.code === "NODE_STOPPING" ? "the node stopped" : error.message;
}
