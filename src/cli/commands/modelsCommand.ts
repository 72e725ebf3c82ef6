// `syncbn models`: the models by name, with their original purpose and parameter counts.

import { showShape } from '../../base/shape.ts';
import { MODEL_NAMES, modelCard, namedModel } from '../../nn/models/models.ts';
import { describeNetwork, totalsOf } from '../../simulate/network.ts';
import { screen } from '../output/screen.ts';
import { printTable } from '../output/tables.ts';
import type { Flags } from '../settings/flags.ts';

export async function runModels(flags: Flags): Promise<number> {
  const models = MODEL_NAMES.map((name) => {
    const { description, purpose } = modelCard(name);
    const { inputShape, classes } = purpose;
    const model = namedModel(name, { inputShape, classes });
    const { parameters } = totalsOf(describeNetwork(name, model, inputShape));
    return { name, description, inputShape, classes, parameters };
  });
  if (flags.isSet('json')) {
    screen.sayJson({ event: 'models', models });
    return 0;
  }
  printTable(
    models.map(({ name, description, inputShape, classes, parameters }) => ({
      model: name,
      'what it is': description,
      input: showShape(inputShape),
      classes: `${classes}`,
      parameters: `${parameters}`,
    })),
  );
  return 0;
}
