"""What every stage stands on: params, errors, whole outputs, tables of poems, splits, tracking, parallel work, cache."""
