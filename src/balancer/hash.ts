/**
 * A number for a short string, the same in every process and on every machine: clients that hash the same names
 * have to come to the same places.
 *
 * FNV-1a over UTF-16 code units (Fowler, Noll, Vo; draft-eastlake-fnv) gathers the string, and the finalizer of
 * MurmurHash3 (Austin Appleby, public domain) spreads what it gathered: alone, FNV hardly moves the high bits for
 * strings that differ in their last character, as addresses in a subnet do. Not for secrets: whoever wants two
 * keys to collide can find them.
 * @returns an integer of 32 bits, with a sign
 */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return spread(hash)
}

/** The hash of two things together, from the hashes of each. @returns an integer from 0 to 2^32 - 1 */
export function hashOfBoth(one: number, other: number): number {
  return spread(one ^ other) >>> 0
}

/** MurmurHash3's fmix32: each bit of the input moves each bit of the output with a probability of one half. */
function spread(bits: number): number {
  let hash = bits
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
