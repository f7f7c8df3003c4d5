/** What the kill test of delivery knows: which messages were accepted, and what took effect. */
import { openStore } from "../../../packages/easynet/src/storage/index.ts";

/** Space of the recipient's store: the last number of each stream that took effect. */
export const EFFECTS = "effects";

/** Numbers of a stream that were passed over. */
export function gapKey(stream: string, from: number, to: number): string {
  return `${stream} ${from} ${to}`;
}

export class Ledger {
  /** Numbers by stream. */
  readonly #stored = new Map<string, Set<number>>();
  storedCount = 0;
  acknowledgedCount = 0;

  /** A line of the sender: a message is stored, or acknowledged. */
  read(line: string): void {
    const [what, stream = "", number = ""] = line.split(" ");
    if (what === "s") this.storedCount += 1;
    else if (what === "a") this.acknowledgedCount += 1;
    else return;
    let numbers = this.#stored.get(stream);
    if (!numbers) this.#stored.set(stream, (numbers = new Set()));
    numbers.add(Number(number));
  }

  /** Compares with the recipient's store after everything was delivered. @returns one sentence per fault */
  async check(path: string): Promise<readonly string[]> {
    const store = await openStore({ path });
    try {
      const violations = store.list("violations").map(({ key }) => `out of order or twice: ${key}`);
      const gaps = store.list("gaps", { limit: 10_000 }).map(({ key }) => key.split(" "));
      const missing: string[] = [];
      for (const [stream, numbers] of this.#stored) {
        const last = Number(Buffer.from(store.get(EFFECTS, stream) ?? []).toString());
        const skipped = gaps.filter(([name]) => name === stream);
        for (const number of numbers) {
          const passedOver = skipped.some(([, from, to]) => Number(from) <= number && number <= Number(to));
          if (number > last || passedOver) missing.push(`accepted and lost: ${stream} ${number}`);
        }
      }
      return [...violations, ...missing];
    } finally {
      await store.close();
    }
  }
}
