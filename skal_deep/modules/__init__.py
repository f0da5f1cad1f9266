"""Parts made of torch.nn: reference nets and the machinery of dropout."""
