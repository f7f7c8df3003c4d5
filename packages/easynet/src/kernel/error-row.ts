export type ErrorStatus =
  | "INVALID_ARGUMENT"
  | "UNAUTHENTICATED"
  | "PERMISSION_DENIED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "RESOURCE_EXHAUSTED"
  | "DEADLINE_EXCEEDED"
  | "CANCELLED"
  | "UNAVAILABLE"
  | "UNIMPLEMENTED"
  | "DATA_LOSS"
  | "INTERNAL";

export interface ErrorRow {
  readonly status: ErrorStatus;
  /** True when the same request may succeed later without a change by the caller. */
  readonly retryable: boolean;
  /** What happened, to what, and what to do next; `{name}` is replaced from `details`. */
  readonly en: string;
  readonly zh: string;
}

/** A failure that stays one however often the same request is made. */
export function terminal<const En extends string>(
  status: ErrorStatus,
  en: En,
  zh: string,
): ErrorRow & { readonly en: En } {
  return { status, retryable: false, en, zh };
}

/** A failure that may pass by itself. */
export function transient<const En extends string>(
  status: ErrorStatus,
  en: En,
  zh: string,
): ErrorRow & { readonly en: En } {
  return { status, retryable: true, en, zh };
}
