"""What every stage stands on: params, errors, outputs, tables of poems, splits, tracking, parallel work, cache."""
