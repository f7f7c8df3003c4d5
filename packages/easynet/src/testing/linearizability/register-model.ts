import { IMPOSSIBLE, type Model } from "./history.ts";

/** A value of a register; `undefined` before any write. */
export type RegisterValue = string | undefined;

/** A call on one register, with its answer; answers of calls without one are not looked at. */
export type RegisterCall =
  | { readonly kind: "read"; readonly value: RegisterValue }
  | { readonly kind: "write"; readonly value: RegisterValue }
  /** Sets `to` if the value is `from`; `done` is false when the answer was that it is not. */
  | { readonly kind: "cas"; readonly from: RegisterValue; readonly to: RegisterValue; readonly done: boolean };

/** A register with compare-and-set, empty at first. The states are the numbers of the values. */
export function registerModel(): Model<RegisterCall> {
  const numbers = new Map<RegisterValue, number>([[undefined, 0]]);
  const numberOf = (value: RegisterValue): number => {
    const known = numbers.get(value);
    if (known !== undefined) return known;
    numbers.set(value, numbers.size);
    return numbers.size - 1;
  };
  return {
    initial: 0,
    effectOf(call, answered) {
      if (call.kind === "write") {
        const value = numberOf(call.value);
        return () => value;
      }
      if (call.kind === "read") {
        const value = numberOf(call.value);
        return (state) => (!answered || state === value ? state : IMPOSSIBLE);
      }
      const [from, to] = [numberOf(call.from), numberOf(call.to)];
      if (!answered) return (state) => (state === from ? to : state);
      return call.done
        ? (state) => (state === from ? to : IMPOSSIBLE)
        : (state) => (state === from ? IMPOSSIBLE : state);
    },
  };
}
