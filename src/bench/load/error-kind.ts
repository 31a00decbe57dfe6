/** undici's own codes do not say more than the code of what caused them. */
const MAX_CAUSES = 5

/** What a failed call counts as: `ECONNREFUSED`, `UND_ERR_SOCKET`, `ONEHOP_NO_ENDPOINTS`. */
export function errorKind(error: unknown): string {
  let kind = error instanceof Error ? error.name : 'error'
  let cause: unknown = error
  for (let depth = 0; depth < MAX_CAUSES && cause instanceof Error; depth++) {
    const { code } = cause as NodeJS.ErrnoException
    if (typeof code === 'string' && code !== '') kind = code
    cause = cause.cause
  }
  return kind
}
