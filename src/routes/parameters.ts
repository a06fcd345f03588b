/** Described here and read where it is used: a validator for each would cost every upload and refuse none. */
export function parameter(place: 'query' | 'header' | 'path', name: string, description: string) {
  return { in: place, name, description, required: place === 'path', schema: { type: 'string' as const } }
}

/** Where a request says who is told how its files end. */
export const callbackParameter = parameter(
  'header',
  'X-Callback-URL',
  'Told once how each file of the request ends, where the policy’s `callbackHosts` has its host.',
)
