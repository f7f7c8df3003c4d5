/** The functions of the demo's text job: pure, so that any node computes the same. */

export type Script = "han" | "latin" | "other";

/** Number of words by script, over a piece of text. */
export interface WordCount {
  /** Pairs, not an object: a word may be `__proto__`. */
  readonly words: readonly (readonly [word: string, count: number])[];
  readonly byScript: Readonly<Record<Script, number>>;
}

/** Which script most letters of a text belong to. */
export function detectScript(text: string): Script {
  const han = text.match(/\p{Script=Han}/gu)?.length ?? 0;
  const latin = text.match(/\p{Script=Latin}/gu)?.length ?? 0;
  if (han === 0 && latin === 0) return "other";
  // A Han character is about a word, a Latin letter about a fifth of one.
  return han * 5 >= latin ? "han" : "latin";
}

const segmenters = {
  han: new Intl.Segmenter("zh", { granularity: "word" }),
  latin: new Intl.Segmenter("en", { granularity: "word" }),
  other: new Intl.Segmenter("en", { granularity: "word" }),
};

/** The words of a text in lower case, cut by the rules of its script (Unicode UAX #29, a dictionary for Chinese). */
export function tokenise(text: string, script: Script): string[] {
  const words: string[] = [];
  for (const { segment, isWordLike } of segmenters[script].segment(text)) {
    if (isWordLike) words.push(segment.toLowerCase());
  }
  return words;
}

/** How often each word occurs. */
export function countWords(words: readonly string[], script: Script): WordCount {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return { words: [...counts], byScript: { han: 0, latin: 0, other: 0, [script]: words.length } };
}

/** The sum of counts: the reduce step, in any order. */
export function mergeCounts(counts: Iterable<WordCount>): WordCount {
  const words = new Map<string, number>();
  const byScript = { han: 0, latin: 0, other: 0 };
  for (const count of counts) {
    for (const [word, number] of count.words) words.set(word, (words.get(word) ?? 0) + number);
    byScript.han += count.byScript.han;
    byScript.latin += count.byScript.latin;
    byScript.other += count.byScript.other;
  }
  const sorted = [...words].sort(([one, a], [other, b]) => b - a || (one < other ? -1 : 1));
  return { words: sorted, byScript };
}

/** Reads a document aloud: one line of figures after each tenth of it, as a stream. */
export function* surveyDocument(text: string): Generator<{ percent: number; words: number; script: Script }, void> {
  const step = Math.max(1, Math.ceil(text.length / 10));
  let words = 0;
  for (let start = 0; start < text.length; start += step) {
    const part = text.slice(start, start + step);
    const script = detectScript(part);
    words += tokenise(part, script).length;
    yield { percent: Math.min(100, Math.round(((start + part.length) / text.length) * 100)), words, script };
  }
}
