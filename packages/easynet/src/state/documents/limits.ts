/** Documents that a node keeps; a further one is refused. */
export const DOCUMENTS_COUNT_MAX = 256;
/** One document as a snapshot, and one change; a larger one is refused. It is the largest value of the store. */
export const DOCUMENT_BYTES_MAX = 16 * 1024 * 1024;
/** Letters of a document's name. */
export const DOCUMENT_NAME_LENGTH_MAX = 128;
/** Changes on disk after which a snapshot takes their place. */
export const UPDATES_COUNT_MAX = 200;
/** A change travels in parts of this size. */
export const PART_BYTES = 128 * 1024;
/** An encoded version; a longer one is refused as malformed. */
export const VERSION_BYTES_MAX = 256 * 1024;
/** Changes that arrive in parts at once, of one peer; with a further one the oldest is given up, and asked for again. */
export const ARRIVING_COUNT_MAX = 4;
