const LONGEST_NAME_BYTES = 253
const LONGEST_LABEL_BYTES = 63

/** Whether a name can stand in a message at all (RFC 1035 section 2.3.4); `dns-packet` does not look. */
export function isDnsName(name: string): boolean {
  return (
    Buffer.byteLength(name) <= LONGEST_NAME_BYTES &&
    name.split('.').every((label) => label !== '' && Buffer.byteLength(label) <= LONGEST_LABEL_BYTES)
  )
}
