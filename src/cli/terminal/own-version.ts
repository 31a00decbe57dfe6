/** The version of onehop. */
export async function ownVersion(): Promise<string> {
  const { default: meta } = (await import('onehop/package.json', { with: { type: 'json' } })) as {
    readonly default: { readonly version: string }
  }
  return meta.version
}
