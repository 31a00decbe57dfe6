/** Of `http:` and `https:` (RFC 9110 sections 4.2.1 and 4.2.2). */
export function schemePort(protocol: string): number {
  return protocol === 'https:' ? 443 : 80
}

/** The port that a URL names, or that of its scheme: a URL keeps no default port. */
export function urlPort({ port, protocol }: Pick<URL, 'port' | 'protocol'>): number {
  return port === '' ? schemePort(protocol) : Number(port)
}
