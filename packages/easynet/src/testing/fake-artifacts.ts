import { EasynetError } from "../kernel/index.ts";
import type { ArtifactReport, Artifacts, ByteSource } from "../messaging/index.ts";

/** Artifacts in memory, each under an address that counts up; a fetch finds what was put, unless a test hides it. */
export class FakeArtifacts implements Artifacts {
  readonly #kept = new Map<string, { report: ArtifactReport; readonly content: Uint8Array }>();

  /** Thrown by what is put from now on. */
  refusal: EasynetError | undefined;
  /** Fetches wait until it is settled. */
  gate: Promise<void> = Promise.resolve();

  async put(source: ByteSource, options: { readonly pin?: boolean } = {}): Promise<ArtifactReport> {
    if (this.refusal) throw this.refusal;
    const parts: Uint8Array[] = [];
    for await (const part of source) parts.push(part);
    const content = Buffer.concat(parts);
    const cid = `b${String(this.#kept.size)
      .padStart(58, "a")
      .replaceAll(/[0189]/g, "a")}`;
    const report = { cid, bytes: content.length, pinned: options.pin === true, complete: true, usedAtMs: 0 };
    this.#kept.set(cid, { report, content });
    return report;
  }

  get(cid: string): ArtifactReport | undefined {
    return this.#kept.get(cid)?.report;
  }

  list(): readonly ArtifactReport[] {
    return [...this.#kept.values()].map(({ report }) => report);
  }

  usage(): ReturnType<Artifacts["usage"]> {
    const usedBytes = this.list().reduce((sum, { bytes }) => sum + bytes, 0);
    return { usedBytes, quotaBytes: 2 ** 30 };
  }

  async *open(cid: string): AsyncGenerator<Uint8Array, void, void> {
    yield this.#known(cid).content;
  }

  async fetch(cid: string): Promise<ArtifactReport> {
    await this.gate;
    return this.#known(cid).report;
  }

  async pin(cid: string, pinned: boolean): Promise<void> {
    const known = this.#known(cid);
    known.report = { ...known.report, pinned };
  }

  async remove(cid: string): Promise<void> {
    this.#known(cid);
    this.#kept.delete(cid);
  }

  close(): void {
    this.#kept.clear();
  }

  #known(cid: string): { report: ArtifactReport; readonly content: Uint8Array } {
    const known = this.#kept.get(cid);
    if (known) return known;
    throw new EasynetError("ARTIFACT_NOT_FOUND", { cid });
  }
}
