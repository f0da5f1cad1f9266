"""The one place that looks inside nets: fitting, answers, gradients."""
