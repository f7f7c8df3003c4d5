/** Marks which promises of the seeds a test shows; test/requirements.test.ts scans the sources for it. */
export function verifies(..._ids: readonly string[]): void {
  // A marker for the gate; it does nothing at run time.
}
