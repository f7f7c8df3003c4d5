/** Bytes that may still be sent on one exchange before the other end returns credit. */
export class SendWindow {
  #availableBytes: number;
  #waiter:
    | { readonly bytes: number; readonly resolve: () => void; readonly reject: (error: Error) => void }
    | undefined;
  #error: Error | undefined;

  constructor(bytes: number) {
    this.#availableBytes = bytes;
  }

  get waiting(): boolean {
    return this.#waiter !== undefined;
  }

  /** True when there was room, which is now taken. */
  tryTake(bytes: number): boolean {
    if (this.#availableBytes < bytes || this.#waiter) return false;
    this.#availableBytes -= bytes;
    return true;
  }

  /** Takes room as soon as there is some; one at a time. Rejects with what `close` was given. */
  async take(bytes: number): Promise<void> {
    this.throwIfClosed();
    if (this.tryTake(bytes)) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiter = { bytes, resolve, reject };
    });
  }

  give(bytes: number): void {
    this.#availableBytes += bytes;
    const waiter = this.#waiter;
    if (!waiter || this.#availableBytes < waiter.bytes) return;
    this.#waiter = undefined;
    this.#availableBytes -= waiter.bytes;
    waiter.resolve();
  }

  throwIfClosed(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  close(error: Error): void {
    this.#error = error;
    this.#waiter?.reject(error);
    this.#waiter = undefined;
  }
}
