import type { SignatureClaim } from "../identity/index.ts";

/** Work that yields signatures to verify, and goes on with which of them hold, in the same order. */
export type Verifying<Result> = Generator<readonly SignatureClaim[], Result, readonly boolean[]>;

/** Runs it to its end at once. */
export function finish<Result>(
  work: Verifying<Result>,
  verify: (did: SignatureClaim["did"], bytes: Uint8Array, signature: Uint8Array) => boolean,
): Result {
  let step = work.next();
  while (!step.done) {
    step = work.next(step.value.map(({ did, bytes, signature }) => verify(did, bytes, signature)));
  }
  return step.value;
}

/** Runs it while others verify, so that heartbeats go on. */
export async function finishElsewhere<Result>(
  work: Verifying<Result>,
  verify: (claims: readonly SignatureClaim[]) => Promise<readonly boolean[]>,
): Promise<Result> {
  let step = work.next();
  while (!step.done) step = work.next(await verify(step.value));
  return step.value;
}
