const MAX_NAME_BYTES = 253
const MAX_LABEL_BYTES = 63

/** Whether a name can stand in a message at all (RFC 1035 section 2.3.4); `dns-packet` does not look. */
export function isDnsName(name: string): boolean {
  return (
    Buffer.byteLength(name) <= MAX_NAME_BYTES &&
    name.split('.').every((label) => label !== '' && Buffer.byteLength(label) <= MAX_LABEL_BYTES)
  )
}
