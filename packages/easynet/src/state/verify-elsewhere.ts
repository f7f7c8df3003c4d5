import { verify } from "node:crypto";
import { publicKeyObject, type SignatureClaim } from "../identity/index.ts";
import { SIGNATURES_UNDER_WAY_MAX } from "./limits.ts";

interface Batch {
  readonly claims: readonly SignatureClaim[];
  readonly done: (hold: readonly boolean[]) => void;
}

/** Batches that wait for threads; each is of a frame whose sender gets no further credit until it is done. */
const waiting: Batch[] = [];
let underWayCount = 0;

/**
 * Verifies Ed25519 signatures on the threads that Node.js keeps for such work; this thread spends a tenth of the time
 * on it. What else waits for these threads (files, names) waits for a bounded number of signatures: a further batch
 * starts when there is room. Never rejects.
 */
export async function verifyElsewhere(claims: readonly SignatureClaim[]): Promise<readonly boolean[]> {
  if (claims.length === 0) return [];
  return new Promise((done) => {
    waiting.push({ claims, done });
    startWaiting();
  });
}

function startWaiting(): void {
  while (underWayCount < SIGNATURES_UNDER_WAY_MAX) {
    const batch = waiting.shift();
    if (!batch) return;
    underWayCount += batch.claims.length;
    start(batch);
  }
}

function start({ claims, done }: Batch): void {
  const hold = claims.map(() => false);
  let openCount = claims.length;
  for (const [index, claim] of claims.entries()) {
    verifyOne(claim, (holds) => {
      hold[index] = holds;
      if (--openCount > 0) return;
      underWayCount -= claims.length;
      done(hold);
      startWaiting();
    });
  }
}

/** Always calls back later, never at once. */
function verifyOne({ did, bytes, signature }: SignatureClaim, done: (holds: boolean) => void): void {
  try {
    verify(null, bytes, publicKeyObject(did), signature, (error, holds) => done(!error && holds));
  } catch {
    setImmediate(() => done(false));
  }
}
