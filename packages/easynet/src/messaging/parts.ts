import { isEasynetError } from "../kernel/index.ts";
import type { Did } from "../identity/index.ts";
import type { Mesh, OutgoingFrame } from "../mesh/index.ts";
import { MORE } from "./flags.ts";
import { FRAME_COST_BYTES, PART_BYTES, WHOLE_BYTES_MAX } from "./limits.ts";
import type { SendWindow } from "./send-window.ts";

/** Where the frames of one direction of an exchange go. */
export interface Route {
  readonly mesh: Mesh;
  readonly to: Did;
  /** Everything of a frame but its bytes. */
  readonly frame: Omit<OutgoingFrame, "body">;
  readonly window: SendWindow;
}

/**
 * Sends `bytes` as one frame, or in parts when they are many, each when the window and the lane have room. Between
 * two parts other exchanges get their turn as soon as the lane is above its high-water mark.
 * @throws what the window was closed with; {EasynetError} PEER_UNREACHABLE, LINK_CLOSED
 */
export async function sendInParts(route: Route, bytes: Uint8Array): Promise<void> {
  const partBytes = bytes.length <= WHOLE_BYTES_MAX ? bytes.length : PART_BYTES;
  let offset = 0;
  do {
    const body = bytes.subarray(offset, offset + partBytes);
    offset += body.length;
    await route.window.take(body.length + FRAME_COST_BYTES);
    const flags = offset < bytes.length ? MORE : 0;
    await sendPatiently(route, { ...route.frame, flags, body });
  } while (offset < bytes.length);
}

async function sendPatiently({ mesh, to, window }: Route, frame: OutgoingFrame): Promise<void> {
  for (;;) {
    try {
      if (!mesh.send(to, frame)) await mesh.drained(to, frame.lane);
      window.throwIfClosed();
      return;
    } catch (error) {
      if (!isEasynetError(error, "BACKPRESSURE")) throw error;
      await mesh.drained(to, frame.lane);
      window.throwIfClosed();
    }
  }
}
