/**
 * Measures the contenders one after the other, round by round, and every second round in reverse: each has the others'
 * disturbances before and after it equally often. Returns each contender's values in the order of the rounds.
 */
export async function inRounds<Name extends string, Value>(
  rounds: number,
  contenders: Record<Name, () => Promise<Value>>,
): Promise<Record<Name, Value[]>> {
  const names = Object.keys(contenders) as Name[]
  const values = Object.fromEntries(names.map((name) => [name, [] as Value[]])) as Record<Name, Value[]>
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) values[name].push(await contenders[name]())
  }
  return values
}
