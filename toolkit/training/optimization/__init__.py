"""Optimisers, parameter groups, learning rate schedules, averaged weights, mixed precision, class weights."""
