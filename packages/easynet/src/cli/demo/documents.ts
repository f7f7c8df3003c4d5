import { readFileSync } from "node:fs";
import { glob } from "node:fs/promises";
import { relative } from "node:path";
import { EasynetError } from "../../kernel/index.ts";

/** Documents larger than this are refused: the demo shows each piece, it is no indexer. */
const DOCUMENT_BYTES_MAX = 8 * 1024 * 1024;
/** Pieces are cut at blank lines; this is where a piece ends at the latest, in characters. */
const PIECE_LENGTH_MAX = 300;

export interface Document {
  readonly name: string;
  readonly text: string;
}

/**
 * The given files, or the documents of the folder one stands in, or those of this package.
 * @throws {EasynetError} INVALID_ARGUMENT for a file that cannot be read or holds no text
 */
export async function loadDocuments(files: readonly string[]): Promise<readonly Document[]> {
  if (files.length > 0) return files.map(readDocument);
  const found: string[] = [];
  for await (const file of glob(["*.md", "docs/**/*.md"])) found.push(file);
  if (found.length === 0) found.push(new URL("../../../README.md", import.meta.url).pathname);
  return found.sort().map(readDocument);
}

function readDocument(file: string): Document {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new EasynetError("INVALID_ARGUMENT", { subject: file, reason: "it cannot be read" }, { cause });
  }
  if (bytes.length > DOCUMENT_BYTES_MAX || bytes.includes(0)) {
    throw new EasynetError("INVALID_ARGUMENT", { subject: file, reason: "it is no text file under 8 MiB" });
  }
  return { name: relative(process.cwd(), file) || file, text: bytes.toString("utf8") };
}

/** A document in pieces of whole paragraphs where possible; joined again they are the document. */
export function cutIntoPieces(text: string): readonly string[] {
  const pieces: string[] = [];
  let piece = "";
  for (const paragraph of text.split(/(?<=\n\n)/)) {
    if (piece.length + paragraph.length > PIECE_LENGTH_MAX && piece !== "") {
      pieces.push(piece);
      piece = "";
    }
    piece += paragraph;
  }
  if (piece !== "") pieces.push(piece);
  return pieces;
}
